package workerv1

// HeaderDigest is the gRPC metadata key that the ring hash routes layer calls by.
const HeaderDigest = "plimsoll-digest"
