package faults

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"
)

// TestSoak strikes one system with faults drawn at random for as long as PLIMSOLL_SOAK says, with the oracle after each. A fault
// that broke the system ends it: what comes after would prove nothing. PLIMSOLL_SOAK_FAULTS names those to draw from.
func TestSoak(t *testing.T) {
	lasts := fromEnv("PLIMSOLL_SOAK", 0, time.ParseDuration)
	if lasts <= 0 {
		t.Skip("acceptance: PLIMSOLL_SOAK says for how long, as 30m")
	}
	seed := seeds(t)[0]
	t.Logf("PLIMSOLL_FAULT_SEED=%d", seed)
	draw := rand.New(rand.NewPCG(seed, 2))
	var from []fault
	for _, f := range catalogue() {
		if only(os.Getenv("PLIMSOLL_SOAK_FAULTS"), f.id) {
			from = append(from, f)
		}
	}
	if len(from) == 0 {
		t.Fatal("PLIMSOLL_SOAK_FAULTS names no fault")
	}
	var s *system
	end := time.Now().Add(lasts)
	for n := 1; time.Now().Before(end); n++ {
		f, with := from[draw.IntN(len(from))], draw.Uint64N(1e6)
		ok := t.Run(fmt.Sprintf("%d-%s", n, f.id), func(st *testing.T) {
			if s != nil && s.count() > soakRenewAt {
				s.close(st)
				s = nil
			}
			if s == nil {
				s = newSystem(st, t, standard)
			}
			struck(st, s, f, with)
		})
		if !ok {
			return
		}
	}
}

// soakRenewAt lets a system grow longer than in single faults.
const soakRenewAt = 2000
