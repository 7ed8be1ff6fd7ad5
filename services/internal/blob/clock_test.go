package blob

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/plimsoll/plimsoll"
)

func TestClockFollowsTheBuckets(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	c := &clock{now: func() time.Time { return start }}
	hear := func(ahead, took time.Duration) time.Duration {
		c.heard(start.Add(ahead).Format(http.TimeFormat), start.Add(-took), start)
		return c.time().Sub(start)
	}
	for _, s := range []struct {
		what              string
		ahead, took, want time.Duration
	}{
		{"within tolerance", time.Second, 0, 0},
		{"an hour behind it", time.Hour, 0, time.Hour + time.Second/2},
		{"the next second: no jitter", time.Hour + time.Second, 0, time.Hour + time.Second/2},
		{"a slow answer tells nothing", -time.Hour, 2 * time.Second, time.Hour + time.Second/2},
		{"this clock was stepped", -time.Hour, 0, -time.Hour + time.Second/2},
		{"and set right", 0, 0, 0},
	} {
		if got := hear(s.ahead, s.took); got != s.want {
			t.Errorf("%s: corrected by %s, want %s", s.what, got, s.want)
		}
	}
	c.heard("yesterday", start, start)
	if got := c.time(); !got.Equal(start) {
		t.Errorf("after a date that is none: %s, want %s", got, start)
	}
}

// TestClockTooFarOff: a server that refuses a signature for its time says "denied" and no more; the keys are not to blame then.
func TestClockTooFarOff(t *testing.T) {
	t.Parallel()
	s := &Store{clock: &clock{now: time.Now}, where: "s3.example/plimsoll"}
	denied := minio.ErrorResponse{StatusCode: http.StatusForbidden, Code: minio.AccessDenied, Message: "Access Denied."}
	for off, want := range map[time.Duration]string{time.Minute: "check bucket.access_key", time.Hour: "clock is 1h0m0s off", -time.Hour: "set it by NTP"} {
		s.clock.offset.Store(int64(off))
		err := s.wrap(t.Context(), "look for the bucket", "", denied)
		if !errors.Is(err, plimsoll.ErrDenied) || !strings.Contains(err.Error(), want) || off != time.Minute && strings.Contains(err.Error(), "access_key") {
			t.Errorf("%s off: %v; want %q", off, err, want)
		}
	}
}
