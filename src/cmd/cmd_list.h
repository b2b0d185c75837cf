/* cmd_list.h: one row a subcommand, in the order in which `openr1 --help` lists them. */
CMD(completion)
