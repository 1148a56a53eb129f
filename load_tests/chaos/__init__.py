"""`make chaos`: a pipeline on a real Kafka broker that is killed, stopped, cut off and slowed."""
