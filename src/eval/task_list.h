/* task_list.h: the tasks of `openr1 eval`. */
TASK(gsm8k)
TASK(countdown)
TASK(arithmetic)
TASK(chain)
