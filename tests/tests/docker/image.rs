//! The image, what it holds, and how it runs; what linters say of deploy/.
