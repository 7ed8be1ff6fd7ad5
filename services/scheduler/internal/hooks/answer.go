package hooks

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/plimsoll/plimsoll"
)

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

// accept answers 202, or 200 with what a handshake waits for.
func accept(w http.ResponseWriter, reply []byte) {
	if reply == nil {
		w.WriteHeader(http.StatusAccepted)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(reply) // a sender that is gone asks again
}
