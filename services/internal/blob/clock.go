package blob

import (
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"
)

const (
	// clockTolerance is how far this machine's clock may be from the bucket's before it is corrected: HTTP tells seconds, and
	// machines that keep time are closer.
	clockTolerance = 2 * time.Second
	// clockPatience is the longest call whose answer tells the time.
	clockPatience = time.Second
	// signedWithin is how far a request's signature may be from the time of an S3 server ("Authenticating requests", Amazon S3 API
	// reference): a machine whose clock is further off cannot use the bucket.
	signedWithin = 15 * time.Minute
)

// clock follows the bucket's clock. What several machines order by time is stamped with it, so that one whose clock is wrong
// neither wins nor loses against the others.
type clock struct {
	now    func() time.Time
	offset atomic.Int64 // nanoseconds to add to now
}

// Now is the time by the bucket's clock, as near as its answers tell; this machine's own where they agree.
func (s *Store) Now() time.Time { return s.clock.time() }

// ClockOffset is how far the bucket's clock is ahead of this machine's; zero when they agree within two seconds.
func (s *Store) ClockOffset() time.Duration { return time.Duration(s.clock.offset.Load()) }

// TellClock warns when they do not.
func (s *Store) TellClock(log *slog.Logger) {
	if off := s.ClockOffset(); off != 0 {
		log.Warn("this machine's clock and the bucket's differ: set them by NTP; tokens and certificates go by them", "bucket_ahead", off)
	}
}

func (c *clock) time() time.Time { return c.now().Add(time.Duration(c.offset.Load())) }

// heard takes the time from an answer to a call that took from sent to received. It keeps what it has while the answer agrees
// with it, so that time does not jitter.
func (c *clock) heard(date string, sent, received time.Time) {
	at, err := http.ParseTime(date)
	if err != nil || received.Sub(sent) > clockPatience {
		return
	}
	middle := sent.Add(received.Sub(sent) / 2)
	// The answer's second has passed by half on average.
	offset := at.Add(time.Second / 2).Sub(middle.Round(0))
	switch old := time.Duration(c.offset.Load()); {
	case offset.Abs() <= clockTolerance:
		c.offset.Store(0)
	case (offset - old).Abs() > clockTolerance:
		c.offset.Store(int64(offset))
	}
}

// timed lets a clock hear every answer.
type timed struct {
	http.RoundTripper
	clock *clock
}

func (t timed) RoundTrip(r *http.Request) (*http.Response, error) {
	sent := t.clock.now()
	resp, err := t.RoundTripper.RoundTrip(r)
	if err == nil {
		t.clock.heard(resp.Header.Get("Date"), sent, t.clock.now())
	}
	return resp, err
}
