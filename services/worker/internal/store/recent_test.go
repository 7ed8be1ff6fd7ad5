package store

import "testing"

func TestRecent(t *testing.T) {
	t.Parallel()
	r := newRecent()
	r.put("a", 1, 10)
	r.put("a", 2, 20)
	if v, ok := r.take("a"); !ok || v != 2 {
		t.Errorf("take(a) = %v, %v, want what was written last", v, ok)
	}
	if _, ok := r.take("a"); ok {
		t.Error("what was taken is still there")
	}
	r.put("old", 1, maxRecent-1)
	r.put("new", 2, 2)
	if _, ok := r.take("old"); ok {
		t.Error("the older one did not give way")
	}
	if v, ok := r.take("new"); !ok || v != 2 {
		t.Errorf("take(new) = %v, %v, want 2", v, ok)
	}
	r.put("huge", 1, maxRecent+1)
	if _, ok := r.take("huge"); ok || r.bytes != 0 || r.order.Len() != 0 || len(r.at) != 0 {
		t.Errorf("%d bytes, %d values, %d keys after all are gone, want none", r.bytes, r.order.Len(), len(r.at))
	}
}
