"""How good the answers are, and what they say together: agreement, skills, consensus, suspicious labels. No torch.

One method, one file, on plain arrays: `item_response` (pairs that are each compared once by a few people; with
`responses` and `population`), `dawid_skene` (labels and flags), `ratings` (z-scores by rater), `crowd_bt` and
`noisy_bt` (texts that meet in many pairs; with `information`), `audit` (labels that reward models doubt).

On the store: `evidence` reads, `fits` fits all of them, and from there `aggregate` says what the answers say together,
`reliability` how surely those to one question do, `annotators` who answers how (with `skills`, `pace` and `shares`),
`agreement` makes tables for `heedful.evaluation.agreement`, `weighing` pools votes by skill for training.
"""
