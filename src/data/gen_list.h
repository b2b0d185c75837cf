/* gen_list.h: the generators of checked problems. */
GENERATOR(chain)
GENERATOR(countdown)
GENERATOR(arithmetic)
