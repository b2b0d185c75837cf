/* fmath.h: elementary functions with the same bits on every machine.
 *
 * libm's exp, log, sin and cos differ between versions and CPUs, so results must not depend on them. These
 * are built from +, -, *, /, sqrt and fma alone, which IEEE 754 rounds correctly everywhere. Error below 1
 * ulp of double in the ranges given (tests compare with libm). The float kernels have their own versions in
 * kern/.
 */
#ifndef BASE_FMATH_H
#define BASE_FMATH_H

double fm_exp(double x);
double fm_log(double x); /* x > 0; 0 gives -inf, below 0 NaN */
double fm_sin(double x); /* |x| up to 2^30, by Cody-Waite reduction */
double fm_cos(double x);
double fm_pow(double base, double exponent); /* base > 0; error may grow to a few ulp */
double fm_sqrt(double x);

#endif
