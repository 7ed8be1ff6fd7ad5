package queue

import (
	"fmt"
	"regexp"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/plimsoll/plimsoll"
	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
)

// token is what may stand between two dots of a subject, and in a workflow id.
var token = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)

// decode reads a message and checks every field that becomes a key, a URL or a workflow id. Whoever may publish on the
// server could have written it.
func decode(subject string, b []byte) (*scanv1.ScanRequest, error) {
	r := new(scanv1.ScanRequest)
	if err := proto.Unmarshal(b, r); err != nil {
		return nil, fmt.Errorf("decode scan request: %w: %w", plimsoll.ErrInvalid, err)
	}
	if err := check(r, len(b)); err != nil {
		return nil, err
	}
	if r.Subject() != subject {
		return nil, fmt.Errorf("scan request for %s stands on subject %.200q: %w", r.Subject(), subject, plimsoll.ErrInvalid)
	}
	return r, nil
}

// check holds r against its bounds and grammars; size is that of its encoding.
func check(r *scanv1.ScanRequest, size int) error {
	switch lane := r.GetLane(); {
	case size > scanv1.MaxRequestBytes:
		return fmt.Errorf("scan request of %d bytes: %w (at most %d)", size, plimsoll.ErrInvalid, scanv1.MaxRequestBytes)
	case lane != scanv1.Lane_LANE_PUSH && lane != scanv1.Lane_LANE_SWEEP:
		return fmt.Errorf("scan request: lane %d: %w", lane, plimsoll.ErrInvalid)
	case !token.MatchString(r.GetRegistry()):
		return fmt.Errorf("scan request: registry id %.80q: %w", r.GetRegistry(), plimsoll.ErrInvalid)
	case lane == scanv1.Lane_LANE_SWEEP && !token.MatchString(r.GetEpoch()):
		return fmt.Errorf("scan request: slot %.80q: %w", r.GetEpoch(), plimsoll.ErrInvalid)
	case r.GetRecipe() != "" && !token.MatchString(r.GetRecipe()):
		return fmt.Errorf("scan request: recipe %.80q: %w", r.GetRecipe(), plimsoll.ErrInvalid)
	case len(r.GetTargets()) == 0 || len(r.GetTargets()) > scanv1.MaxTargets:
		return fmt.Errorf("scan request: %d targets: %w (1 to %d)", len(r.GetTargets()), plimsoll.ErrInvalid, scanv1.MaxTargets)
	}
	if err := plimsoll.CheckRepository(r.GetRepository()); err != nil {
		return fmt.Errorf("scan request: %w", err)
	}
	for _, t := range r.GetTargets() {
		if err := checkTarget(t); err != nil {
			return fmt.Errorf("scan request: %w", err)
		}
	}
	return nil
}

func checkTarget(t *scanv1.Target) error {
	if t.GetTag() == "" && t.GetDigest() == "" {
		return fmt.Errorf("target without tag and digest: %w", plimsoll.ErrInvalid)
	}
	if t.GetTag() != "" {
		if err := plimsoll.CheckTag(t.GetTag()); err != nil {
			return err
		}
	}
	if t.GetDigest() != "" {
		if _, err := plimsoll.ParseDigest(t.GetDigest()); err != nil {
			return err
		}
	}
	return nil
}

// registryOf reads the registry from a request's subject, for a message that cannot be decoded: the fourth token.
func registryOf(subject string) string {
	parts := strings.Split(subject, ".")
	if len(parts) > 3 && token.MatchString(parts[3]) {
		return parts[3]
	}
	return "unknown"
}
