"""Ad operations: what an agent can do, and the clients of the vendors that it is done with."""
