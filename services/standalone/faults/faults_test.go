package faults

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
)

// A fault is one row of the catalogue.
type fault struct {
	id, what string
	// strike makes the fault happen, proves that it did, and leaves the system whole: the oracle follows.
	strike func(t *testing.T, s *system)
	// short says that it runs in every test of the module; the others in `make faults` and `make soak`.
	short bool
}

// catalogue is all faults that separate processes can show, in the order of their numbers. The package comment says which
// test shows the others.
func catalogue() []fault {
	return []fault{
		{"F1", "workers killed in the middle of layers", workerKilled, true},
		{"F2", "a worker frozen in the middle of a layer finishes late", workerFrozen, false},
		{"F3", "the child that reads bytes is killed", childKilled, false},
		{"F4", "all workers replaced one after the other under load", workersReplaced, false},
		{"F5", "NATS killed; wiped; its store damaged; its disk full", natsLost, true},
		{"F6", "a publisher gets no answer, yet the message is stored", publishUnanswered, false},
		{"F7", "requests delivered again and again; acknowledgements lost", requestsRedelivered, true},
		{"F8", "a request that nobody can read", requestPoisoned, false},
		{"F9", "Temporal away; killed in the middle of workflows; its store set back", temporalSetBack, false},
		{"F10", "Temporal's store lost", temporalLost, true},
		{"F11", "schedulers replaced by a build with changed workflow code, and back", workflowsChanged, false},
		{"F12", "S3 says 503, 500, 409, is slow, loses answers", bucketFails, true},
		{"F13", "the bucket is full; its credentials are refused", bucketRefuses, false},
		{"F14", "facts lost from the bucket", factsLost, false},
		{"F15", "a registry says 429 in all ways", registryThrottles, false},
		{"F16", "a registry says 500, 502, 504 in bursts", registryFails, false},
		{"F17", "a registry cuts answers and flips bits", registryDamages, false},
		{"F18", "one connection of a registry stands still", registryStalls, false},
		{"F19", "a registry lists nothing, or refuses one repository, for one sweep", registryListsNothing, false},
		{"F20", "a tag and its bytes deleted while they are read", deletedWhileRead, false},
		{"F21", "notifications a thousandfold and out of order", notificationsRepeated, true},
		{"F22", "all notifications lost", notificationsLost, false},
		{"F23", "one of two schedulers frozen, and both go on", schedulerFrozen, false},
		{"F24", "clocks an hour apart, and set right", clocksDiffer, false},
		{"F25", "no place for temporary files", noTemporaryFiles, false},
		{"F26", "a feed of garbage, of nothing", feedBroken, false},
		{"F27", "a reporter killed at each write of a report", reporterKilledWriting, false},
		{"F28", "a reporter starts from nothing", reporterEmptied, true},
		{"F29", "a reporter that compares versions in another way", comparerChanged, false},
		{"F30", "a newer version of one analyser, and back", analyserRaised, false},
		{"F31", "connections to workers that hang, break and are cut", workersUnreachable, false},
		{"F33", "a flood of pushes", pushFlood, false},
		{"F34", "an image that hangs for good", imageHangs, false},
		{"F36", "a registry's password changed", passwordRotated, false},
	}
}

// long says that everything runs, in full length: PLIMSOLL_FAULTS=all. Otherwise the short ones run, shortened.
var long = os.Getenv("PLIMSOLL_FAULTS") == "all"

// of chooses between the number of rounds of a short and of a long run.
func of(short, full int) int {
	if long {
		return full
	}
	return short
}

// seeds are those to run: PLIMSOLL_FAULT_SEED names one, PLIMSOLL_FAULT_SEEDS how many to draw.
func seeds(t *testing.T) (all []uint64) {
	t.Helper()
	if v := os.Getenv("PLIMSOLL_FAULT_SEED"); v != "" {
		seed, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			t.Fatalf("PLIMSOLL_FAULT_SEED: %v", err)
		}
		return []uint64{seed}
	}
	for range fromEnv("PLIMSOLL_FAULT_SEEDS", 1, strconv.Atoi) {
		all = append(all, rand.Uint64N(1e6))
	}
	return all
}

// TestFaults strikes a running system with one fault after the other, each with each seed, and asks the oracle after each (a
// short run asks some of it after each and all of it at the end). A system that a fault broke is replaced.
func TestFaults(t *testing.T) {
	drawn := seeds(t)
	var s *system
	for _, f := range catalogue() {
		if !f.short && !long {
			continue
		}
		t.Run(f.id, func(group *testing.T) {
			for _, seed := range drawn {
				group.Run(fmt.Sprintf("seed=%d", seed), func(st *testing.T) {
					if s != nil && s.count() > renewAt {
						s.close(st)
						s = nil
					}
					if s == nil {
						s = newSystem(st, t, standard)
					}
					defer func() { // also when the test has ended itself
						if st.Failed() {
							s.close(st)
							s = nil
						}
					}()
					struck(st, s, f, seed)
				})
			}
		})
	}
	if s != nil && !long { // short runs ask all of the oracle once
		s.oracle(t)
	}
}

// renewAt is how many images a system gets before another takes its place: the oracle's scan grows with them.
const renewAt = 400

// standard is the shape of most systems.
var standard = shape{workers: 3, schedulers: 1, reporters: 1}

// struck runs one fault and the oracle after it.
func struck(t *testing.T, s *system, f fault, seed uint64) {
	t.Logf("%s: %s; PLIMSOLL_FAULT_SEED=%d", f.id, f.what, seed)
	s.reseed(seed, f.id)
	defer func() {
		if t.Failed() {
			t.Logf("%s", s.logs(40))
		}
	}()
	began := s.elapsed()
	f.strike(t, s)
	s.heal()
	s.found(t)
	after := s.elapsed()
	if long {
		s.oracle(t)
	} else {
		s.quickOracle(t)
	}
	t.Logf("%s: struck and healed in %s, checked in %s; %d images", f.id, after-began, s.elapsed()-after, s.count())
}

// reseed gives a fault its own choices, whatever ran before.
func (s *system) reseed(seed uint64, id string) {
	h := fnv.New64()
	_, _ = h.Write([]byte(id))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rng = rand.New(rand.NewPCG(seed, h.Sum64()))
}

// only reports whether a name is among the words of a list, or the list is empty.
func only(list, name string) bool {
	for word := range strings.FieldsFuncSeq(list, func(r rune) bool { return r == ',' || r == ' ' }) {
		if word == name {
			return true
		}
	}
	return strings.TrimSpace(list) == ""
}
