package hooks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/plimsoll/plimsoll"
	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
	"github.com/plimsoll/plimsoll/services/internal/trace"
)

// Config is what hooks need. Keep, Now and Log may be left out.
type Config struct {
	Registries map[string]plimsoll.Registry // by id
	// Local says that only this machine can reach the listener: registries without a secret are then let in.
	Local bool
	// Publish returns when the queue holds r; duplicate when it held it already.
	Publish func(ctx context.Context, r *scanv1.ScanRequest) (duplicate bool, err error)
	// Refs are a repository's known tags.
	Refs func(ctx context.Context, registry, repository string) ([]plimsoll.Ref, error)
	// Keep stores what one run of a scheduler has counted in one day, over what it stored of that day before.
	Keep func(ctx context.Context, registry string, day time.Time, run string, share plimsoll.PushShare) error
	Now  func() time.Time
	Log  *slog.Logger
	// Tracer begins a trace with each event that asks for something.
	Tracer trace.Tracer
}

// Handler serves POST /hooks/{registry}. Its [Handler.Run] must run beside.
type Handler struct {
	Config
	slots  chan struct{}
	tokens *tokens
	counts *counts
	late   chan arrival
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
	if c.Keep == nil {
		c.Keep = func(context.Context, string, time.Time, string, plimsoll.PushShare) error { return nil }
	}
	return &Handler{
		Config: c, slots: make(chan struct{}, hooksAtOnce), tokens: &tokens{newKeys(c.Now), c.Now},
		counts: newCounts(c.Now), late: make(chan arrival, maxArrivals),
	}
}

// Collectors are the hooks' metrics, to be registered by the caller.
func (h *Handler) Collectors() []prometheus.Collector {
	return []prometheus.Collector{h.counts.events}
}

// ServeHTTP answers 202 when everything wanted is queued; 400, 401, 404, 405, 413 and 415 for what would be refused again,
// 503 with Retry-After when the same notification is welcome later. No line of the log has the path, which may be a secret.
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
	// Whoever sends a byte now and then would hold the slot; a recorder in a test knows no deadlines.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(hookTimeout))
	id, rest, _ := strings.Cut(strings.TrimPrefix(req.URL.Path, "/hooks/"), "/")
	r, ok := h.Registries[id]
	d := dialectOf(r)
	if !ok || rest != "" && !d.inPath {
		http.Error(w, "no such registry", http.StatusNotFound)
		return
	}
	m := message{registry: r, header: req.Header, rest: rest, shows: d.header}
	shakes := req.Method == http.MethodOptions && r.Hook.Dialect == plimsoll.HookACR
	if req.Method != http.MethodPost && !shakes {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "POST a notification here", http.StatusMethodNotAllowed)
		return
	}
	if shakes {
		if err := h.authorize(ctx, d, m); err != nil {
			h.refuse(w, r, err)
			return
		}
		welcome(w, req)
		return
	}
	reply, err := h.take(ctx, w, req, d, m)
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	accept(w, reply)
}

// refuse answers err and counts it, unless it only says "later".
func (h *Handler) refuse(w http.ResponseWriter, r plimsoll.Registry, err error) {
	h.Log.Warn("notification is not taken", "registry", r.ID, "error", err)
	if !errors.Is(err, plimsoll.ErrUnavailable) {
		h.counts.add(r.ID, refused, 1)
	}
	answer(w, err)
}

// take authorizes, reads, and queues one notification. What is not signed is not read before it is known whose it is.
func (h *Handler) take(ctx context.Context, w http.ResponseWriter, req *http.Request, d dialect, m message) (reply []byte, err error) {
	if !d.signed {
		if err := h.authorize(ctx, d, m); err != nil {
			return nil, err
		}
	}
	if !isNotification(req.Header.Get("Content-Type")) {
		return nil, fmt.Errorf("content type: %w: want application/json", plimsoll.ErrUnsupported)
	}
	if m.body, err = readBody(w, req); err != nil {
		return nil, err
	}
	if d.signed {
		if err := h.authorize(ctx, d, m); err != nil {
			return nil, err
		}
	}
	return h.hear(ctx, d, m)
}

func readBody(w http.ResponseWriter, req *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxBody))
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		return nil, fmt.Errorf("notification: %w: more than %d bytes", plimsoll.ErrLimit, maxBody)
	}
	if err != nil {
		return nil, fmt.Errorf("read notification: %w: %w", plimsoll.ErrInvalid, err)
	}
	return body, nil
}

// hear queues what an authentic message asks for.
func (h *Handler) hear(ctx context.Context, d dialect, m message) (reply []byte, err error) {
	s, err := h.note(d, m)
	if err != nil {
		return nil, err
	}
	return s.reply, h.queue(ctx, m.registry, s.events)
}

// note understands an authentic message and counts what it says.
func (h *Handler) note(d dialect, m message) (said, error) {
	s, err := understand(d, m)
	if err != nil {
		return s, err
	}
	id := m.registry.ID
	h.counts.add(id, received, len(s.events)+s.refused+s.ignored)
	h.counts.add(id, refused, s.refused)
	h.counts.add(id, ignored, s.ignored)
	for _, ev := range s.events {
		h.arrived(id, ev)
	}
	return s, nil
}

// isNotification accepts JSON of any type. Those that a page in a browser may send to another site without asking are not
// among them.
func isNotification(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && (kind == "application/json" || strings.HasPrefix(kind, "application/") && strings.HasSuffix(kind, "+json"))
}
