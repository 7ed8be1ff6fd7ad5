package front

import (
	"strings"
	"testing"
)

// TestListen: who meets a taken port, or an address of another machine, is told which flag to give what.
func TestListen(t *testing.T) {
	t.Parallel()
	first, err := Listen(t.Context(), "--listen", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	for address, want := range map[string]string{
		first.Addr().String(): "the address is in use: stop what listens there or give --registry-listen another port",
		"192.0.2.1:80":        "give --registry-listen an address of this machine", // RFC 5737: nobody's
	} {
		l, err := Listen(t.Context(), "--registry-listen", address)
		if err == nil {
			l.Close()
			t.Fatalf("%s could be bound", address)
		}
		if !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), address) {
			t.Errorf("%s: %v; want %q", address, err, want)
		}
	}
}
