package posture

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
)

// TestPushed: a push is told of once, with the verdict that the view then shows; what no push led to is not, nor is a push of
// long ago.
func TestPushed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.engine(plimsoll.Registry{ID: "dev"})
	var told []Push
	e.cfg.Pushed = func(p Push) {
		if e.View() == nil || len(e.View().Rows()) == 0 {
			t.Error("told before the view stands")
		}
		told = append(told, p)
	}
	e.SetGeneration(generation("g1", flaw("2021-23337", "lodash", "4.17.21", critical)))
	w.fold(e)
	asked := start.Add(-3 * time.Second)
	for tag, c := range map[string]plimsoll.Change{"swept": {}, "old": {Asked: start.Add(-2 * pushedLately), Trace: "x"}, "1.0": {Asked: asked, Trace: "id", Span: "step"}} {
		ref := w.complete(tag, tag, recipeOne, w.inventory(tag, recipeOne, pkg("lodash", "4.17.15")))
		w.refs("dev", "team/web", ref)
		c.Kind, c.Repository, c.Tag, c.Digest, c.Ref = plimsoll.ChangeInventory, "team/web", tag, ref.Digest, &ref
		w.log("dev", c)
	}
	w.advance(e)
	w.advance(e)
	want := []Push{{
		Registry: "dev", Repository: "team/web", Tag: "1.0", Digest: digest("1.0"), Verdicts: []plimsoll.VerdictState{plimsoll.VerdictFail},
		Asked: asked, Read: start, Took: 3 * time.Second, Trace: "id", Span: "step",
	}}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}
