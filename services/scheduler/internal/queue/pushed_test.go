package queue

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll/services/scheduler/internal/queue/queuetest"
)

func TestPushed(t *testing.T) {
	t.Parallel()
	q := newQueue(t, queuetest.Start(t).Connect(), Options{Memory: true})
	check := func(step string, want map[string]bool, wantAll bool) {
		t.Helper()
		got, all, err := q.Pushed(t.Context(), "prod")
		if diff := cmp.Diff(want, got); diff != "" || all != wantAll || err != nil {
			t.Errorf("%s: pushed (-want +got):\n%sall %v, want %v; %v", step, diff, all, wantAll, err)
		}
	}
	check("nothing", map[string]bool{}, true)
	publish(t, q, push("1"))
	publish(t, q, swept("2", "slot"))
	publish(t, q, push("3"))
	other := push("4")
	other.Registry = "other"
	publish(t, q, other)
	check("two of this registry", map[string]bool{"team/app:1": true, "team/app:3": true}, true)
	for i := range maxPushed {
		publish(t, q, push(fmt.Sprint("many", i)))
	}
	check("too many", nil, false)
}
