package blob

// What tests need to know of the inside.
const (
	MaxShard  = maxShard
	MaxTries  = maxTries
	ReadAhead = readAhead
)

var (
	Seal    = seal
	Unseal  = unseal
	ShardOf = shardOf
	InOrder = inOrder[int, int]
)
