"""Word the messages that people see: a template for each, filled by `str.format`.

A message says what happened, where, and what to do: first for the person who runs the
program, then for its author. A template that begins with a capital letter is a sentence
and ends like one. All others are phrases: callers may put in front of them where it
happened, and after them what to do, as in "{path} cannot be read: {reason}".

Only constants: a function costs each import of this module 9,000 instructions, a
constant 2,000. A healthy start does not import it.
"""

# ---- Settings ----

IGNORING_SETTING = "ignoring {name}={value!r}: expected {values}; using {default!r}"
PATTERN_WITHOUT_GROUP = (
    "ignoring {pattern!r} in {source}: expected a pattern with a group, as in"
    " 'GROUP={pattern}'"
)
NO_CACHE_FOR_ANOTHER_USER = (
    "there is no cache directory: this process runs with the privileges of another user"
    " (setuid or setgid)"
)

# ---- Arguments and options, and the values that they may have ----

NOT_VALID = "{value} is not a valid {what}: expected {expected}"
A_CHOICE = "a lazyplug.Choice"
A_FACT = "the name of a fact, such as 'priority'"
A_DISTRIBUTION = "the name of a distribution, such as 'acme-*'"
A_DIRECTORY_OR_FILE = "a dict for a directory, str or bytes for a file"
A_CALLABLE = "a callable"
A_DICT_OF_FACTS = (
    "one dict literal with strings as keys, bound once at the top level; in a JSON"
    " file, one object"
)
A_FACTS = "a lazyplug.Facts, such as Facts(static=['title'])"
A_FACTS_OBJECT = "a reference to a lazyplug.Facts"
A_REFERENCE = "MODULE:ATTR"
A_GROUP_REFERENCE = "GROUP=MODULE:ATTR"
A_FACTS_FILE = (
    "PACKAGE:FILE, where FILE is an identifier and the suffix .toml or .json, as in"
    " 'acme.data:facts.toml'"
)
AN_ENVIRONMENT = (
    "the directory of an environment or of a project with a .venv, or an interpreter"
)
A_VARIABLE_OR_GROUP = "the name of a variable, or of a group that ends with '.facts'"
AN_ABSOLUTE_PATH = "an absolute path"
A_DISTRIBUTION_NAME = "the name of a distribution"
A_STABLE_FUNCTION = "a function at the top level of a module or class, not a lambda"
A_VARIABLE = "the name of an environment variable"
DEPENDENCIES = "a dict with any of 'distributions', 'files', 'variables' and 'language'"
AN_ATTRIBUTE = "the name of an attribute without leading underscores"
PLAIN_VALUES = (
    "strings, numbers, Booleans, and lists and tables of them, but no dates, and no"
    " integers of more than 64 bits"
)
SEVERAL_WORDS = "a list or tuple of strings"
A_DICT_OF_ENTRY_POINTS = "a dict of 'name': 'module:attr'"
A_MODULE = "a name such as 'json.decoder'"
A_NAMESPACE = "the name of a group, such as 'myapp.commands', or a manager"
A_PATTERN = "NAME, GROUP=NAME, @DISTRIBUTION, or GROUP=NAME@DISTRIBUTION"
EXCEPTION_CLASSES = "an exception class, or a tuple of them"
A_PROTOCOL = "a class or a runtime-checkable Protocol"
A_TABLE_OF_VERSIONS = "a table of version specifiers, as in acme = '>=1.2,<2'"
A_TIME = "seconds since 1970"
A_TIMEOUT = "a number of seconds > 0 and <= {limit:g}"
A_VERSION = "a version such as '2.3'"
AN_INTEGER = "an integer >= {least}"
A_LIST_OF_PATTERNS = "a list of patterns"
TRUE_OR_FALSE = "true or false"
IMMUTABLE = "{kind} objects are immutable: {name!r} not set"
WRONG_FIELDS = (
    "{kind}() takes {fields}; it got {count} positional arguments and {names}"
)

# ---- Files and the cache ----

CANNOT_BE = "cannot be {done}: {reason}"
DOES_NOT_EXIST = "{path} does not exist"
NOT_A_REGULAR_FILE = "not a regular file"
UNREADABLE = "it is too large, or the system failed"
TOO_LARGE = "{size} bytes exceed the limit of {limit}"
REPLACED = "the file was replaced"
OTHERS_CAN_WRITE = "other users can write to it"
FILE_NOT_TRUSTED = NOT_A_REGULAR_FILE + ", too large, or " + OTHERS_CAN_WRITE

# ---- The index ----

LEARNED_FACTS = "the learned facts"
INDEX_NOT_WRITTEN = "The index could not be written. Run `lazyplug doctor`."

# ---- Metadata and archives ----

INVALID_REFERENCE = "not a valid reference (expected `module:attr`)"
NOT_A_PATH = "ignoring {entry!r}, which is not a path"
BEFORE_FIRST_GROUP = "{line!r} is before the first [group]"
NO_EQUALS_SIGN = "no '=' in {line!r}"
NOT_UTF8 = "is not UTF-8: {error}"
NOT_AN_ARCHIVE = "is neither a directory nor a zip archive"
REMOVED_MEANWHILE = "was removed during the scan"
LEFT_BEHIND = "was left behind by an interrupted pip: delete it"
NO_METADATA = "has no metadata"
NO_NAME = "has no Name: ignoring its entry points"
SHADOWED = "is shadowed by {file} in the same directory"
ITS_DISTRIBUTION = "one of its distributions"
FINDER_FAILED = "find_distributions() failed: {error}"
NOTE = "Note: {text}"
ONE_PROBLEM = "{count} in the metadata: {problem}"
MANY_PROBLEMS = "{count} in the metadata, such as {problem}"
BROKEN_METADATA = (
    "{count} in the metadata on sys.path:{lines}\n"
    "Reinstall these distributions, or remove them."
)
CANNOT_DESCRIBE = "{function}() {failure} for {extension}: nothing is remembered"
RAISED = "raised {error}"
RETURNED_NO_JSON = (
    "returned {value} (expected None, a bool, number or string, or a list or dict of"
    " them)"
)
AN_EXCEPTION = "an exception"
DESCRIBED_OTHERWISE = (
    "{function}() described {extension} as {before}, and now as {now}, though nothing"
    " in depends= has changed: not remembered any more"
)
IGNORING_FACTS = (
    "ignoring declared facts of {extension}: {problem}. Correct them, or upgrade the"
    " distribution."
)
FROZEN_WITHOUT = "{extension}: not freezing its declared facts: {problem}"
FACTS_WITHOUT_PLUGIN = (
    "the facts belong to no plugin: {distribution} declares none named {name!r}. Give"
    " this entry point the name of the plugin's entry point."
)
INVALID_FACTS = "the host's schema refuses the facts of {extension}: {error}"
FACTS_FROM = "{text} (the facts come from {files})"
IGNORING_METADATA = "ignoring broken metadata: {problem}"
SEE_PROBLEMS = "Run `lazyplug doctor`, or call lazyplug.problems()."

# ---- Frozen indexes ----

DAMAGED = "{file} is damaged, or another version of lazyplug wrote it"
NOT_FROZEN = "{file} is not a frozen index, but the index of a cache directory"
ONLY_SOME_GROUPS = "{file} contains only some groups, which is not supported"
IGNORING_INDEX = (
    "ignoring the frozen index: {reason}. Run `lazyplug freeze{options} --output"
    " {file}`, or set LAZYPLUG_INDEX=off."
)
FREEZE_AGAIN = "{reason}. Run `lazyplug freeze{options} --output {file}`."
INDEX_IN_EFFECT = "the frozen index {file} is in effect, and was not rewritten"
STALE_BUT_USED = (
    "{file}, frozen {time}, is trusted without checking, but has become stale:"
    " {changes}. Run `lazyplug freeze{options} --output {file}`, or set"
    " LAZYPLUG_INDEX=off."
)
STALE = "{file}, frozen {time}, is stale and not used for {changes}"
STRIPPED = (
    "{file}, frozen {time}, is not used for {paths}: the metadata is missing. If it was"
    " removed on purpose, run `lazyplug freeze --trust`."
)
ADDED_AND_REMOVED = "{path}: {added} added, {removed} removed"
NOTHING_DONE = "{reason}: nothing was {done}"
OS_REPLACED = "the module os is replaced (by a fake file system)"
NOTHING_TO_CHECK = DOES_NOT_EXIST + ". Run `lazyplug freeze` to write it."
USE_ANOTHER_FILE = (
    "{reason}. Use another file with --output, and set LAZYPLUG_INDEX to its path."
)
OPTIONS_OF_FILE = (
    "--trust and --flat cannot be used with --check, which takes them from FILE"
)
NO_DISTRIBUTIONS = (
    "No distributions found in these path entries. Run the Python of the environment,"
    " or name its site directories with --path."
)

# ---- Choosing ----

NEEDS_FACTS = "{option} needs facts: pass facts= to the manager"
NEEDS_HOST = "{option} also needs host=, the name of the host's distribution"
ALLOWED_AND_DENIED = "{source} both allows and denies {patterns}: the deny list wins"
INVALID_PATTERN = "{pattern!r} is not a valid pattern: {fault}"
UNCLOSED_BRACKET = "'[' is never closed; for a bracket, write '[[]'"
EMPTY_RANGE = "its range {members!r} is empty"
INVALID_SPECIFIER = (
    "{value!r} is not a valid version specifier for {name!r}: expected '>=1.2,<2'"
)
NO_PACKAGING = (
    "the versions of plugins cannot be compared: packaging is not installed. Run `pip"
    " install lazyplug[versions]`."
)
UNMATCHED = "{pattern!r} in {source} matches no installed plugin"
EXCLUDED_BY_SAFE_MODE = (
    "excluded by safe mode ({source}), which enables only plugins of {host}"
)
EXCLUDED_BY_DENY = "excluded by the deny pattern {pattern!r} in {source}"
EXCLUDED_BY_ALLOW = "excluded by the allow list in {source}"
EXCLUDED_BY_VERSION = "excluded by version: {distribution} is not {wanted} ({source})"
EXCLUDED_BY_API = (
    "excluded by version: {distribution} requires {requirements}, but this is {host}"
    " {versions}"
)
EXCLUDED_BY_FACTS = (
    "excluded by its facts: the rule {predicate} in {source} returned false"
)
EXCLUDED_BY_ITSELF = "excluded because it raised {error}"
WHILE_CHOOSING = "lazyplug: while {predicate} chose {extension}"
WITHOUT_VERSION = "{name}, without a version,"
DECLARED_TWICE = "{name!r} is declared more than once in group {namespace!r}"
IS_USED = "the {which} is used"
UNINSTALL = "uninstall {names} (pip uninstall {first})"
SET_DENY = "set LAZYPLUG_DENY={pattern}"
USE_RESOLVER = "pass a conflict_resolver= that chooses one"
PREFERRED_MISSING = "prefer({name!r}): that distribution is not installed"
RESOLVER_RETURNED = (
    "conflict_resolver returned {found} for {name!r}: expected one of the extensions"
    " that were passed to it"
)
RESOLVER_CHOSE = (
    "conflict_resolver chose {found} for {name!r}, which is declared {count} times in"
    " group {namespace!r}"
)

# ---- Finding extensions ----

NO_EXTENSION = "no extension"
NO_EXTENSION_NAMED = "no extension named {name!r}"
IN_GROUP = "{what} in group {namespace!r}"
FAILED_TO_LOAD = (
    "could be loaded: it is declared, but failed to load. Run `lazyplug check {group}`."
)
NONE_LEFT = (
    "is left: the program enabled none, or they failed to load. Run `lazyplug check"
    " {group}`."
)
NOT_LOADED = "It is declared, but was not loaded."
NONE_ENABLED = "is enabled:{reasons}"
DID_YOU_MEAN = "; did you mean {names}?"
AVAILABLE = "Available: {names}."
EXCLUDED = "Excluded: {names}."
NOT_DECLARED = "no installed distribution declares {what}"
NO_DISTRIBUTION_NAMED = "no distribution named {name!r} is installed"
WAS_INSTALLED = "It was until {date}: run `lazyplug lost`."
DECLARES_NOTHING = "the distribution {name!r} declares no entry point"
NO_ENTRY_POINTS = "no entry points found on sys.path"
IS_METADATA_MISSING = "is the metadata of the distributions missing?"
IS_IT_INSTALLED = "is the distribution that declares it installed?"
NEEDS_FROZEN_INDEX = (
    "A program without metadata, as PyInstaller builds it, needs a frozen index: run"
    " `lazyplug freeze --trust` where the distributions are installed, and ship the"
    " file."
)
LEFT_BEHIND_BY_PIP = (
    "An interrupted pip left these entry points behind:{lines}\n"
    "Delete their metadata directory, and reinstall the distribution."
)
WAS_DECLARED = "{name!r} was declared by {distribution} until {date}"
DECLARES_NO_LONGER = "{distribution} is installed, and no longer declares it"
UNDER_ANOTHER_NAME = "{distribution} declares it as {name!r} in group {group!r}"
IS_NOT_INSTALLED = "{name!r} is declared by {requirement}, which is not installed"
TO_INSTALL = "To install what is missing, run `{command}`."
MORE_LOST = "And {count} more: run `lazyplug lost`."
NOTHING_LOST = "no plugin that is known to have been installed here is missing"
COULD_NOT_FIND = "Could not find {names}. Run `lazyplug why GROUP NAME`."
REFERENCE_FAILED = "It cannot be imported as a reference either: {reason}."
RELATIVE_NAME = "{module!r} is a relative name: expected the full name of a module"
NO_MODULE = "no module named {name!r}"
NO_PACKAGE = "package={package!r}: {reason}. Install the distribution that contains it."
NOT_A_PACKAGE = "package={package!r}: {name!r} is a module, not a package"
DIST_NOT_COMPARED = (
    "entry points cannot be selected by dist: distributions cannot be compared; compare"
    " entry_point.dist.name yourself"
)

# ---- Managers ----

ONE_GROUP = "{namespace!r} is a family of groups: expected one group"
GROUP_REQUIRED = "group= is required: {namespace!r} is a family of groups"
NOT_A_GROUP = "{group!r} is not a group of {namespace!r}"
OTHER_NAMES = "this manager was created for the names {names}"
NOTHING_CALLED = (
    "map_method() calls a method of each .obj, but no extension of {namespace!r} has"
    " one: create the manager with invoke_on_load=True, or use map() to call methods of"
    " .plugin"
)
UNCHECKABLE_PROTOCOL = (
    "protocol {protocol} is a Protocol that cannot be checked: decorate it with"
    " @typing.runtime_checkable"
)
RESTART_NEEDED = (
    "{distribution} was installed after this process started, and can be imported only"
    " through a .pth file, which Python reads at startup. Restart the program."
)
DEPRECATED = "{parameter} is deprecated: {instead}"

# ---- Loading ----

ENTRY_POINT = "entry point '{name} = {value}' of group {group!r}"
DECLARED_BY = "declared by {distribution}"
IN_FILE = "{text} in {file}"
AT_LINE = "{text}, line {line}"
WHILE_LOADING = "lazyplug: while loading {extension}"
INVALID_ENTRY_POINT = (
    "{extension}: {reason}. Its author must correct it:"
    " https://packaging.python.org/specifications/entry-points/#data-model"
)
LISTED_AS_KNOWN = (
    "lazyplug: it was listed without being loaded, because an earlier start had loaded"
    " it. The next start loads it at once."
)
WAITS_FOR_ITSELF = (
    "{extension}: its call waits for itself: {cycle}. One of them must not access"
    " `.obj` of the next one during its own call."
)
IMPORT_OF = "the import of {module}"
STILL_IMPORTED = (
    "{extension} cannot be called while its module {module} is still being imported."
    " Neither {module} nor a module that it imports may access its `.obj`."
)
DOES_NOT_FIT = (
    "{extension}: {plugin} does not fit {protocol}. Its author must follow the host's"
    " plugin interface."
)
LACKS = ": it lacks {names}"
COULD_NOT_BE = "{extension} could not be {done}: {error}"
ERROR_CALLING = "error calling {extension}: {error}"
ERROR_IN_SUBSCRIBER = "error in subscriber {subscriber}: {error}"

# ---- `run` ----

RUN_OPTION = "{option} is not a valid option"
RUN_VALUE = "{option} needs a {value}"
ONLY_WITH = "{option} can only be used with {other}"
MISSING = "{argument} is missing"
NOT_IN_THIS_PROCESS = "{reason}: it cannot be run in this process"
NOT_PYTHON = "is not a Python program"
FOR_ANOTHER_PROGRAM = "is a program for {interpreter}, not for Python"
NAMES_NO_PYTHON = "does not name a Python interpreter in its first line"
OF_ANOTHER_PYTHON = "belongs to another Python ({interpreter})"
NO_PROGRAM = "no program {name!r} was found in {directories} or on PATH"
NO_SCRIPT = (
    "{reason}, and no distribution installed for {python} declares a console script of"
    " that name"
)
INSTALL_PROGRAM = (
    "Install it for this Python, or use `-m MODULE` or the path of a script."
)
NO_FUNCTION = (
    "{extension} does not name a function to call. Its author must correct it."
)

# ---- The switch ----

OTHER_SWITCH = "{file} was not written by lazyplug. Remove it."
MANAGED = "{environment} is managed by the system"
OF_ANOTHER_USER = "{directory} belongs to another user"
READ_ONLY = "{directory} is read-only"
NOT_INSTALLED = (
    "lazyplug is imported from {directory}, where programs would not find it: nothing"
    " was written. Install it into the environment, or use another current directory."
)
USE_ANOTHER_ENVIRONMENT = (
    "{reason}: nothing was written. Create a virtual environment, or use"
    " `lazyplug run`."
)

# ---- The command line ----

NO_PROCESSES = "{platform} cannot start processes"
CHECKED_IN_THIS_PROCESS = (
    "{reason}: each plugin is loaded in this process, without a time limit"
)
CHECKED_BY_NAME = "Not checked, unless a GROUP names them: {groups}."
NEEDS_MODULE = "needs {module}, which is not installed"
NEEDS_EXTRA = "needs {module} of the extra {extra!r}, which is not installed"
FACT_DIFFERS = "fact {fact!r} ({kind}): expected {expected}, found {actual}"
NO_BENCH = "{reason}, which `lazyplug bench` measures"
NO_TRACE = (
    "{reason}, which `lazyplug trace` needs. Run `lazyplug run --trace FILE PROGRAM`."
)
NO_ANSWER = "it did not answer within {limit:g} seconds"
NOT_AN_INTERPRETER = "it does not answer as an interpreter does ({error})"
TOO_OLD = "{interpreter} is Python {version}: lazyplug needs {oldest} or newer"
USES_INSTALLED = "Using the lazyplug that is installed there: {file}"
USES_COPY = (
    "Using a temporary copy of this lazyplug, since none is installed in {environment}."
)
NOT_BOTH = "{one} and {other} cannot be used together"
NEEDS_YES = (
    "this runs `{program}` up to {count} times. If that does no harm, add --yes before"
    " --program."
)
RUNNING = "Running `{program}` up to {count} times."
DID_NOT_END = "`{program}` did not end within {limit:g} seconds, and was killed ({way})"
EXIT_CODES_DIFFER = (
    "the exit codes of `{program}` differ from start to start ({codes}): its starts"
    " cannot be compared"
)
OBSERVED_EXIT = (
    "`{program}` ends with exit code {code} instead of {released} while it is observed:"
    " its starts cannot be divided into parts"
)
GAIN = "This saves {milliseconds:.0f} ms of each start ({share:.0%}):\n{command}"
COMPARE_OUTPUT = (
    "Its output could not be compared, since it differs from start to start: check it."
)
NO_GAIN = (
    "Nothing to gain: no option with the same output is faster by more than the spread"
    " and 2%."
)
NOISE = (
    "Nothing to gain beyond the spread, which is large: try again with more --rounds."
)
PROCESS_FAILED = "the process of {name} failed: {error}"
PROCESS_EXITED = "its process exited with code {code}"
PROCESS_KILLED = "its process was killed by {signal}"
TIMED_OUT = "did not load within {timeout:g} s"
LOADS = "Loads: it took {seconds:.2f} seconds in its own process."
DOES_NOT_LOAD = "does not load: {error}"
DEFINED_AT = "Expected to load: {place} defines it."
NOT_SHOWN = "May load or not: {file} does not show plainly where it is defined."
NO_SOURCE = "May load or not: its module has no source file."
WITH_LOAD = "With --load, it is tried."
SHADOWED_DISTRIBUTION = (
    "Shadowed by another distribution named {name!r}, which takes precedence;"
    " {entry_point}."
)
ONE_OF = "one of {count} plugins with this name"
NEEDS_RICH = "--svg needs rich. Run `pip install lazyplug[cli]`."
SEE_COMMANDS = "Run `lazyplug --help` for a list."
SEE_HELP = "{reason}. Run `lazyplug {command} --help`."
NOT_TRACED = "The program did not use lazyplug."

# ---- click, argparse, pluggy, stevedore ----

NO_SUCH_COMMAND = "No such command {name!r}"
NOT_A_COMMAND = (
    "{extension}: {plugin} is not a click command or a Typer app. Its author must"
    " correct it."
)
NO_COMMAND = "{plugin} is not a command"
SEE_TRACEBACK = "Set LAZYPLUG_TRACEBACK=1 to see the traceback."
SHADOWED_BY_HOST = (
    "ignoring {extension}: the program already has a command {name!r}. Uninstall the"
    " distribution, or set LAZYPLUG_DENY={group}={name}."
)
USE_OVERRIDE = "With LazyGroup(override=True), the plugin is used."
NO_SUBPARSERS = (
    "add_plugins() needs an ArgumentParser with subcommands: call its add_subparsers()"
    " first"
)
INSPECTS_PLUGINS = (
    "{manager} overrides {method}(), which inspects each plugin when it is registered."
    " Remove lazy=True."
)
OTHER_HOOKS = (
    "{plugin} has other hooks than its source shows, so it will be imported at each"
    " start from now on"
)
HOOK_IS_NOT_PLAIN = "the source does not show plainly how the hook is defined"
LINE_IS_NOT_PLAIN = (
    "{file}:{line} does something other than add commands, or may add different ones in"
    " another process"
)
COMMAND_IS_NOT_PLAIN = (
    "the source does not show plainly that the hook adds the command {name!r}"
)
TEXT_IS_NOT_PLAIN = (
    "what the help screen shows of the command {name!r} is not all literal in the"
    " source"
)
ADDS_WITH_ARGUMENTS = (
    "the command {name!r} is added to the group with more arguments than its name"
)
CHANGES_GROUP = "the hook changes something in the group other than its new commands"
ADDS_NOTHING = "the hook does something, but adds no command"
REPLACES_COMMAND = "the hook replaces the command {name!r}"
ADDS_AT_IMPORT = "importing the plugin adds the command {name!r}"
ADDS_OTHER_COMMANDS = "the hook added commands other than those its source shows"
NOT_LAZY_ANY_MORE = (
    "{extension}: {reason}, so it will be imported from now on when its hook {hook!r}"
    " is called"
)
HOOK_ADDS_NO_COMMAND = (
    "{extension}: its hook {hook!r} no longer adds the command {name!r}"
)
NOT_ADDED = "the hook {hook!r} does not add it"
HOOK_NAMES = "a list of names of hooks, such as ['register_commands']"
NO_HOOK = (
    "groups=[{name!r}]: the host has no hook with that name; call add_hookspecs()"
    " before load_entrypoints()"
)
IMPORTED_FOR_HOOK = (
    "Imported when the hook {hook!r} of {project!r} is called: {reason}."
)
IMPORTED_AT_ONCE = (
    "Imported by load_entrypoints() for {project!r}, even with lazy=True: its source"
    " does not show plainly which hooks it has."
)
IMPORTED_BEFORE_INSTALL = (
    "stevedore ({file}) was imported before {package}.install() was called: names that"
    " were imported before still refer to it. Call install() before anything imports"
    " stevedore."
)

# ---- Other environments ----

NOT_OF_ANOTHER = (
    "{option} cannot be used with {other}: this process cannot load plugins of another"
    " environment"
)
IS_ELSEWHERE = (
    "{extension}: this process cannot import a plugin of another environment; run"
    " {interpreter}"
)

# ---- Testing ----

NOT_ISOLATED = (
    "the index cannot be isolated: this process ignores LAZYPLUG_* variables. Run"
    " Python without -E and -I, and not with the rights of another user."
)
FAKE_IN_ANOTHER_PROCESS = (
    "fake extensions that are objects exist only in the process that created them; for"
    " other processes, use `module:attr` references to modules in a site directory"
)
IMPORTED = "imported: {names}; the first was {first}, {where}"
PUT_INTO_MODULES = "which was put into sys.modules"
NOT_IN_A_FILE = (
    "{name!r}: {value!r} of group {group!r} is not valid in an entry_points.txt"
)
