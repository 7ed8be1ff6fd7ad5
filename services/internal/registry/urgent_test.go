package registry

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/gate"
)

// TestUrgentOvertakes: others hold every place they may have, more of them wait, and an urgent request is answered all the same.
func TestUrgentOvertakes(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const places, others = 3, 20
	begun, answered := make(chan struct{}, others), make(chan struct{})
	f.Intercept(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				begun <- struct{}{}
				<-answered
			}
			next.ServeHTTP(w, r)
		})
	})
	c := f.client(t, patient(), func(r *plimsoll.Registry) { r.Concurrency = places })
	var wg sync.WaitGroup
	for range others {
		wg.Go(func() {
			if _, _, err := c.Manifest(t.Context(), repository, tag); err != nil {
				t.Error(err)
			}
		})
	}
	for range places - 1 {
		<-begun
	}
	if _, err := c.Head(gate.WithUrgent(t.Context()), repository, tag); err != nil {
		t.Errorf("an urgent request beside %d others: %v", others, err)
	}
	close(answered)
	wg.Wait()
}

// TestUrgentAtAPace: of the moments that requests_per_second leaves, an urgent request gets one of the next.
func TestUrgentAtAPace(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const perSecond, others = 5, 60
	var before atomic.Int64 // requests before the urgent one
	burst := make(chan struct{}, others)
	f.Intercept(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				before.Add(1)
				burst <- struct{}{}
			}
			next.ServeHTTP(w, r)
		})
	})
	c := f.client(t, patient(), func(r *plimsoll.Registry) { r.Concurrency, r.RequestsPerSecond = 2*others, perSecond })
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range others {
		wg.Go(func() { _, _, _ = c.Manifest(ctx, repository, tag) }) // most are cancelled
	}
	for range perSecond {
		<-burst
	}
	if _, err := c.Head(gate.WithUrgent(t.Context()), repository, tag); err != nil {
		t.Fatal(err)
	}
	if n := before.Load(); n > others/2 {
		t.Errorf("%d of %d others went before an urgent request", n, others)
	}
	cancel()
	wg.Wait()
}
