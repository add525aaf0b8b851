//! EC2 Auto Scaling: what is attached to the groups that node groups make.
