//! Stacks on a swarm of several hosts: one ring, faults, updates.
