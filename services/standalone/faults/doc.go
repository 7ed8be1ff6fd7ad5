// Package faults holds the tests that break a running system: every part and every engine in a process of its own, really
// killed, frozen, wiped, cut off and damaged while pushes and sweeps run, with a relay (package proxy) between any two of them.
//
// Each fault is a subtest of TestFaults by its number, with a seed that is printed (PLIMSOLL_FAULT_SEED runs one again). It
// proves that it struck, by a counter read from outside: a wait status, a state of /proc, JetStream's counts, answers that a
// relay gave. Then the oracle is asked: (a) all verdicts are those of `plimsoll scan` over the same registries, which has no
// queue, retries or history; (b) a reporter that starts from nothing but the bucket says what the running one says; (c)
// workers read each layer once, plus what was in flight when one crashed; (d) goroutines, file descriptors and temporary files
// are back to what they were.
//
//	go test ./faults                        the most telling faults, shortened, once
//	make faults SEEDS=5                     all faults, five seeds each, and a product that must fail three of them
//	make soak SOAK=30m                      faults at random on one system for so long
//	PLIMSOLL_BIN, PLIMSOLL_NATS_SERVER      programs that are built already
//
// Some faults need another build of the product, which builds_test.go makes from edited copies of its sources: an upgrade, or
// the mistake to acknowledge a request before its workflow has ended, on which F1, F5 and F7 must fail
// (TestEarlyAcknowledgementIsNoticed).
//
// Where separate processes add nothing, or time would have to pass that no test has, a fault is shown elsewhere:
//
//	F3   the child that reads bytes dies, three strikes   here; services/worker/internal/child TestFaults, services/worker/internal/serve TestQuarantine
//	F8   six failures make a dead letter                  here for what nobody can read; services/scheduler/internal/queue TestSixthFailureIsADeadLetter
//	F11  changed workflow code                            here; workflows TestReplay, TestReplayNoticesAChange
//	F14  damaged facts and objects                        here; services/worker/internal/store, services/internal/blob TestDamagedObjects
//	F16  tokens and signed addresses that end mid-blob    services/internal/registry TestBlobTokenExpiry, TestBlobSignedURL
//	F18  slow answers                                     here; services/internal/registry TestBlobSlow, TestSlowHeaders
//	F19  partial listings                                 here; services/scheduler/internal/sweep, services/reporter/internal/posture TestPartialListing
//	F24  clocks that differ                               here; services/scheduler/internal/sweep TestDiffer, services/internal/blob TestWriterThatSlept
//	F26  bad feeds, many records withdrawn at once        here; services/reporter/internal/advisory TestBadFeeds, TestManyWithdrawn, TestDeadFeed
//	F29  another comparer                                 here; services/reporter/internal/posture TestMatcherUpgraded
//	F30  another version of an analyser                   here; services/worker TestRaisedVersionReadsOneAnalyserAgain, services/reporter/internal/posture TestFactsBump
//	F31  half-open connections to workers                 here; services/scheduler/internal/scan
package faults
