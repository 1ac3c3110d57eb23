"""How fast is encoding, and what does a lower precision cost?

`race` times several ways of encoding in turn; `measure` does so for the variants of one encoder,
beside the `yardstick`, in a process of its own that `timings` starts; `effect` makes a run of each
variant for its effectiveness; `conductor` puts all together.
"""
