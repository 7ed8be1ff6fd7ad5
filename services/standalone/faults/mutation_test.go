package faults

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestEarlyAcknowledgementIsNoticed builds a product that acknowledges a request before its workflow has ended and
// runs the faults that must fail on it, in a process of their own. It builds the product, so it belongs to `make faults` and
// `make soak`.
func TestEarlyAcknowledgementIsNoticed(t *testing.T) {
	if !long {
		t.Skip("acceptance: PLIMSOLL_FAULTS=all builds a product that acknowledges early")
	}
	mutant, err := ackEarly()
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"F1", "F5", "F7"} {
		t.Run(id, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestFaults$/^"+id+"$", "-test.v")
			cmd.Env = append(os.Environ(), "PLIMSOLL_BIN="+mutant, "PLIMSOLL_NATS_SERVER="+programs.nats, "PLIMSOLL_FAULTS=", "PLIMSOLL_FAULT_PATIENCE=60s")
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), "--- FAIL: TestFaults/"+id+"/") {
				t.Fatalf("%s passes on a product that acknowledges early: %v\n%s", id, err, out)
			}
			if !strings.Contains(string(out), "acknowledged before it ended") {
				t.Errorf("%s fails, but not because of the acknowledgement:\n%s", id, head(string(out)))
			}
		})
	}
}
