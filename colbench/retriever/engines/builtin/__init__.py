"""The engines that come with colbench, a file each; they run in another Python than this one."""
