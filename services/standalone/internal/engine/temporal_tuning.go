package engine

import (
	"go.temporal.io/server/common/dynamicconfig"
)

// tuning is Temporal's dynamic configuration for one small process.
func tuning() dynamicconfig.StaticClient {
	return dynamicconfig.StaticClient{
		// One partition: four exist to spread a task queue over hosts.
		dynamicconfig.MatchingNumTaskqueueReadPartitions.Key():  1,
		dynamicconfig.MatchingNumTaskqueueWritePartitions.Key(): 1,
	}
}
