/* cmd_list.h: one row a subcommand, in the order in which `openr1 --help` lists them. */
CMD(sft)
CMD(loss_grpo)
CMD(demo)
CMD(run)
CMD(completion)
CMD(man)
