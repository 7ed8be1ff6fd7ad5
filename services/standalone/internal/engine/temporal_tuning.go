package engine

import (
	"time"

	"go.temporal.io/server/common/dynamicconfig"
)

// queuePollRate is the limit on how often a shard's queues read the database, per second; see tuning. It is far above
// what one SQLite file can do, so that the database is the limit.
const queuePollRate = 10_000

// longPoll bounds how long the server holds a request that waits for a workflow to end; see tuning. Each open wait costs
// one request in this time, some tenths of a millisecond of processor time.
const longPoll = time.Second

// tuning is Temporal's dynamic configuration for one small process. Its defaults are for clusters of many shards, and two
// of them made a serial workflow take 150 ms, or 20 s once in a hundred:
//
// Each step of a workflow (start, activity, next workflow task) goes through the transfer queue, which is read at most 20
// times a second for each shard: 50 ms a step, as soon as steps follow each other. Hence queuePollRate.
//
// A client that waits for a workflow's end (WorkflowRun.Get) subscribes, inside the server, to the workflow's events, over
// a channel with room for one; what comes while it is full is dropped (service/history/events/notifier.go,
// dispatchHistoryEventNotification). When the last two events of a workflow come faster than the waiting goroutine wakes
// up, the end is the one dropped: the workflow has ended, yet its waiter learns of it only when the server gives the
// request up after history.longPollExpirationInterval, 20 s by default, and the client asks again. Seen with a server
// that prints what it drops: each stall of 20.0 s was a dropped end, and each dropped end a stall. The faster the engine
// the more often it happens. It cannot be repaired from outside, so longPoll bounds what it costs.
func tuning() dynamicconfig.StaticClient {
	return dynamicconfig.StaticClient{
		dynamicconfig.HistoryLongPollExpirationInterval.Key(): longPoll,

		// Zero as the limit of a host means a share of the persistence limit, which is below ours.
		dynamicconfig.TransferProcessorMaxPollRPS.Key():       queuePollRate,
		dynamicconfig.TransferProcessorMaxPollHostRPS.Key():   queuePollRate,
		dynamicconfig.TimerProcessorMaxPollRPS.Key():          queuePollRate,
		dynamicconfig.TimerProcessorMaxPollHostRPS.Key():      queuePollRate,
		dynamicconfig.VisibilityProcessorMaxPollRPS.Key():     queuePollRate,
		dynamicconfig.VisibilityProcessorMaxPollHostRPS.Key(): queuePollRate,
		dynamicconfig.OutboundProcessorMaxPollRPS.Key():       queuePollRate,
		dynamicconfig.OutboundProcessorMaxPollHostRPS.Key():   queuePollRate,

		// One partition: four exist to spread a task queue over hosts, and here only make a task wait in one partition
		// while the poller waits in another.
		dynamicconfig.MatchingNumTaskqueueReadPartitions.Key():  1,
		dynamicconfig.MatchingNumTaskqueueWritePartitions.Key(): 1,

		// Caches for hundreds of workflows at a time, not for 128,000.
		dynamicconfig.HistoryCacheHostLevelMaxSize.Key(): 2048,
	}
}
