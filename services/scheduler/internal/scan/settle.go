package scan

import (
	"context"
	"errors"
	"time"

	"github.com/plimsoll/plimsoll"
	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
	workerv1 "github.com/plimsoll/plimsoll/proto/worker/v1"
)

// The CNCF registry tells of a manifest before it has written its tag: asked at once, it denies the tag, or names what the tag was
// before. Such a push would have no verdict until the next sweep.
const (
	// settleTime is how long after a push was told its tag is given time; an event that waited longer is as true as it gets.
	settleTime = 5 * time.Second
	// settlePause doubles from first to last: a tag is written within milliseconds on a disk, within a second in an object
	// store. All of them together are 1.6 s, for which an event that is forged or overtaken keeps a slot.
	firstSettlePause = 50 * time.Millisecond
	lastSettlePause  = 800 * time.Millisecond
)

// resolveTold asks for the tag of a push again while the registry does not show what the push was told to be, and for a short time only:
// events are hints, so what the registry says in the end counts. Asked is the time before the last question.
func (s *Scanner) resolveTold(ctx context.Context, r *scanv1.ScanRequest, told plimsoll.Digest, in *workerv1.ResolveRequest, recipe plimsoll.Recipe) (got *workerv1.ResolveResponse, asked time.Time, err error) {
	asked = s.now()
	got, err = s.resolve(ctx, in, recipe)
	fresh := told != "" && in.GetTag() != "" && r.GetLane() == scanv1.Lane_LANE_PUSH && asked.Sub(time.Unix(0, r.GetAskedUnixNano())) < settleTime
	for pause := firstSettlePause; fresh && pause <= lastSettlePause && !shows(got, err, told); pause *= 2 {
		if wait(ctx, pause) != nil {
			break
		}
		asked = s.now()
		got, err = s.resolve(ctx, in, recipe)
	}
	return got, asked, err
}

// shows says whether an answer is the one that the push told; an error but "no such tag" is not about the tag.
func shows(got *workerv1.ResolveResponse, err error, told plimsoll.Digest) bool {
	if err != nil {
		return !errors.Is(err, plimsoll.ErrNotFound)
	}
	return got.GetDigest() == string(told)
}
