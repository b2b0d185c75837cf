#!/bin/sh
# The plan of a run agrees with what it takes, and says what helps where it does not fit.
