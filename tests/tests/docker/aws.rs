//! `deploy/aws` against a mock of AWS, with the hosts of a lab as its machines.
