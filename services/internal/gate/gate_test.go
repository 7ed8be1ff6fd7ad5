package gate

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

func TestOnePlaceIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := New(3)
		var leaves []func()
		for range 2 {
			leave, err := g.Enter(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			leaves = append(leaves, leave)
		}
		third := make(chan func())
		later := make(chan struct{})
		go func() {
			leave, err := g.Enter(t.Context(), later)
			if err != nil {
				t.Error(err)
			}
			third <- leave
		}()
		synctest.Wait()
		select {
		case <-third:
			t.Fatal("a sweep took the place kept for what is urgent")
		default:
		}
		push, err := g.Enter(t.Context(), Urgent)
		if err != nil || g.Held() != 3 {
			t.Fatalf("a push found no place: %v, busy %d", err, g.Held())
		}
		push()
		close(later) // a push joins the waiting one
		leaves = append(leaves, <-third)
		for _, leave := range leaves {
			leave()
		}
		if g.Held() != 0 || len(g.ordinary) != 0 {
			t.Errorf("%d places and %d ordinary places are still taken", g.Held(), len(g.ordinary))
		}
	})
}

func TestEnterEndsWithTheCaller(t *testing.T) {
	t.Parallel()
	g := New(1)
	leave, err := g.Enter(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	gone := errors.New("gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	if _, err := g.Enter(ctx, nil); !errors.Is(err, gone) {
		t.Errorf("Enter = %v, want %v", err, gone)
	}
	leave()
	if g.Held() != 0 || len(g.ordinary) != 0 {
		t.Error("a place was lost")
	}
}
