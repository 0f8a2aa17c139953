"""Parameter sets of the simulator held against what is known of the paper's specimens."""
