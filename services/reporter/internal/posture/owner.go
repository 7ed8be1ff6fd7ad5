package posture

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
)

// Owners say whose images are whose. Where Team names nobody, the image's label names the owner, which is a claim of whoever
// built it. Else the owner is not known, and [View.Unowned] says so.
type Owners struct {
	// Team is the team that owns an image, by its registry's id, repository and tag; empty for none. It always gives the same.
	Team  func(registry, repository, tag string) string
	Label string // of the image's configuration, such as org.opencontainers.image.vendor; empty: labels are not asked
}

// configured reports whether anybody said whose images are whose.
func (o Owners) configured() bool { return o.Team != nil || o.Label != "" }

// owner is who owns what a row of a tag shows; im is nil while nothing is shown.
func (e *Engine) owner(t *tag, im *image) string {
	if e.cfg.Owners.Team != nil {
		if team := e.cfg.Owners.Team(t.key.registry, t.key.repository, t.key.tag); team != "" {
			return team
		}
	}
	if im == nil {
		return ""
	}
	return im.owner
}

// maxOwner bounds the name that a label claims, in bytes: a team's name, or a person's with an address.
const maxOwner = 200

// claimedOwner is what an image's label says, where labels are asked. An image object that is not there claims nothing.
func (e *Engine) claimedOwner(ctx context.Context, d plimsoll.Digest) (string, error) {
	if e.cfg.Owners.Label == "" {
		return "", nil
	}
	im, err := blob.ReadJSON[plimsoll.Image](ctx, e.cfg.Store, blob.ImageKey(d))
	if errors.Is(err, plimsoll.ErrUnavailable) || ctx.Err() != nil {
		return "", fmt.Errorf("image %s, for its owner: %w", d.Short(), err)
	}
	if err != nil || im.Digest != d {
		return "", nil // it is lost or damaged, which hides no verdict
	}
	owner := im.Labels[e.cfg.Owners.Label]
	return strings.ToValidUTF8(owner[:min(len(owner), maxOwner)], ""), nil
}
