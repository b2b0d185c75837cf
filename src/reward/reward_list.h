/* reward_list.h: the rewards, in the order in which help lists them. */
REWARD(accuracy)
REWARD(format)
REWARD(tag_count)
REWARD(countdown)
REWARD(exact)
REWARD(numeric)
