"""A plugin that is sent to other processes."""

POINTS = "[g]\nsquare = plug_square:square\nthrice = plug_square:Thrice\n"
PLUGIN = """
import os
loaded_in = os.getpid()

def square(number):
    return number * number, loaded_in

class Thrice:
    def __init__(self, step):
        self.step = step

    def __call__(self, number):
        return number * 3 + self.step, loaded_in
"""
