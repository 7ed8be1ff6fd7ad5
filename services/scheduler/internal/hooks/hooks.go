package hooks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/plimsoll/plimsoll"
	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
	"github.com/plimsoll/plimsoll/services/internal/config"
)

// Config is what hooks need. Now and Log may be left out.
type Config struct {
	Registries map[string]plimsoll.Registry // by id
	// Local says that only this machine can reach the listener: registries without a secret are then let in.
	Local bool
	// Publish returns when the queue holds r; duplicate when it held it already.
	Publish func(ctx context.Context, r *scanv1.ScanRequest) (duplicate bool, err error)
	// Refs are a repository's known tags.
	Refs func(ctx context.Context, registry, repository string) ([]plimsoll.Ref, error)
	Now  func() time.Time
	Log  *slog.Logger
}

// Handler serves POST /hooks/{registry}.
type Handler struct {
	Config
	slots  chan struct{}
	events *prometheus.CounterVec
}

const (
	// hooksAtOnce bounds the notifications in hand: each holds up to 1 MiB. More are told to come again.
	hooksAtOnce = 32
	// retryAfter is when a registry should try again, in seconds; the queue drains some hundred requests in that time.
	retryAfter = 30
	// hookTimeout bounds one notification. Registries give up after half a second to some seconds and send it again.
	hookTimeout = 20 * time.Second
)

// New makes the handler.
func New(c Config) *Handler {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return &Handler{Config: c, slots: make(chan struct{}, hooksAtOnce), events: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "plimsoll_hook_events_total",
		Help: "Events of push notifications: received, and of those queued, duplicate, refused or ignored.",
	}, []string{"registry", "outcome"})}
}

// Collectors are the hooks' metrics, to be registered by the caller.
func (h *Handler) Collectors() []prometheus.Collector { return []prometheus.Collector{h.events} }

// outcomes of events, as the metric names them.
const (
	received  = "received"
	queued    = "queued"
	duplicate = "duplicate"
	refused   = "refused"
	ignored   = "ignored"
)

func (h *Handler) count(registry, outcome string, n int) {
	if n > 0 {
		h.events.WithLabelValues(registry, outcome).Add(float64(n))
	}
}

// ServeHTTP answers 202 when everything wanted is queued; 400, 401, 404, 405, 413 and 415 for what would be refused again,
// 503 with Retry-After when the same notification is welcome later.
func (h *Handler) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	default:
		answer(w, fmt.Errorf("%w: too many notifications at once", plimsoll.ErrUnavailable))
		return
	}
	ctx, cancel := context.WithTimeout(req.Context(), hookTimeout)
	defer cancel()
	id := strings.TrimPrefix(req.URL.Path, "/hooks/")
	r, ok := h.Registries[id]
	if !ok {
		http.Error(w, "no such registry", http.StatusNotFound)
		return
	}
	if req.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "POST a notification here", http.StatusMethodNotAllowed)
		return
	}
	if err := h.take(ctx, w, req, r); err != nil {
		h.Log.Warn("notification is not taken", "registry", id, "error", err)
		answer(w, err)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

// take authorizes, reads, and queues one notification.
func (h *Handler) take(ctx context.Context, w http.ResponseWriter, req *http.Request, r plimsoll.Registry) error {
	if err := h.authorize(req, r); err != nil {
		h.count(r.ID, refused, 1)
		return err
	}
	if !isNotification(req.Header.Get("Content-Type")) {
		h.count(r.ID, refused, 1)
		return fmt.Errorf("content type: %w", plimsoll.ErrUnsupported)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxBody))
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		h.count(r.ID, refused, 1)
		return fmt.Errorf("notification: %w: more than %d bytes", plimsoll.ErrLimit, maxBody)
	}
	if err != nil {
		return fmt.Errorf("read notification: %w: %w", plimsoll.ErrInvalid, err)
	}
	d, err := decode(body)
	if err != nil {
		h.count(r.ID, refused, 1)
		return err
	}
	h.count(r.ID, received, len(d.events)+d.refused+d.ignored)
	h.count(r.ID, refused, d.refused)
	h.count(r.ID, ignored, d.ignored)
	return h.queue(ctx, r, d.events)
}

// isNotification accepts the documented type in any version, and plain JSON. Types that a page in a browser may send to
// another site are not among them.
func isNotification(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && (kind == "application/json" || strings.HasPrefix(kind, "application/vnd.docker.distribution.events."))
}

// queue publishes what the events ask for. When one fails, those before it are queued and are duplicates next time.
func (h *Handler) queue(ctx context.Context, r plimsoll.Registry, events []event) error {
	for _, ev := range events {
		requests, err := h.requests(ctx, r, ev)
		if err != nil {
			return err
		}
		if len(requests) == 0 {
			h.count(r.ID, ignored, 1)
		}
		for _, request := range requests {
			again, err := h.Publish(ctx, request)
			switch {
			case err != nil:
				// Full or away: either way the same notification is welcome later.
				return fmt.Errorf("%w: %w", plimsoll.ErrUnavailable, err)
			case again:
				h.count(r.ID, duplicate, 1)
			default:
				h.count(r.ID, queued, 1)
			}
			h.Log.Debug("push is queued", "registry", r.ID, "repository", ev.repository, "tag", ev.tag, "trace", ev.epoch)
		}
	}
	return nil
}

// requests are the scan requests of one event; none when it is out of scope or names nothing that is known.
func (h *Handler) requests(ctx context.Context, r plimsoll.Registry, ev event) ([]*scanv1.ScanRequest, error) {
	if !config.Match(r.Include, r.Exclude, ev.repository, ev.tag) {
		return nil, nil
	}
	if !ev.gone {
		return []*scanv1.ScanRequest{h.request(r, ev, []*scanv1.Target{{Tag: ev.tag, Digest: string(ev.digest)}})}, nil
	}
	tags, err := h.affected(ctx, r, ev)
	if err != nil {
		return nil, err
	}
	var all []*scanv1.ScanRequest
	for len(tags) > 0 {
		n := min(len(tags), scanv1.MaxTargets)
		all = append(all, h.request(r, ev, tags[:n]))
		tags = tags[n:]
	}
	return all, nil
}

// maxAffected bounds the tags that one deletion has asked again; a sweep does the rest.
const maxAffected = 1024

// affected are the known tags that a deletion may have taken: the one it names, those at its digest, or all of the
// repository. They are asked without a digest, because the registry's state is what counts.
func (h *Handler) affected(ctx context.Context, r plimsoll.Registry, ev event) (tags []*scanv1.Target, err error) {
	refs, err := h.Refs(ctx, r.ID, ev.repository)
	if err != nil {
		return nil, fmt.Errorf("find what a deletion concerns: %w: %w", plimsoll.ErrUnavailable, err)
	}
	for _, ref := range refs {
		named := ev.tag == "" || ev.tag == ref.Tag
		pointed := ev.digest == "" || ev.digest == ref.Digest || ev.tag != ""
		if named && pointed && len(tags) < maxAffected {
			tags = append(tags, &scanv1.Target{Tag: ref.Tag})
		}
	}
	return tags, nil
}

func (h *Handler) request(r plimsoll.Registry, ev event, targets []*scanv1.Target) *scanv1.ScanRequest {
	return &scanv1.ScanRequest{
		Lane: scanv1.Lane_LANE_PUSH, Registry: r.ID, Repository: ev.repository, Targets: targets,
		Epoch: ev.epoch, Actor: "push", Trace: ev.epoch, AskedUnixNano: h.Now().UnixNano(),
	}
}

// statuses maps errors to answers; the first that fits.
var statuses = []struct {
	err    error
	status int
}{
	{plimsoll.ErrDenied, http.StatusUnauthorized},
	{plimsoll.ErrUnsupported, http.StatusUnsupportedMediaType},
	{plimsoll.ErrUnavailable, http.StatusServiceUnavailable},
	{plimsoll.ErrLimit, http.StatusRequestEntityTooLarge},
	{plimsoll.ErrInvalid, http.StatusBadRequest},
}

func answer(w http.ResponseWriter, err error) {
	status := http.StatusServiceUnavailable
	for _, s := range statuses {
		if errors.Is(err, s.err) {
			status = s.status
			break
		}
	}
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
	}
	// The status says enough to a registry, and the log the rest to us.
	http.Error(w, http.StatusText(status), status)
}
