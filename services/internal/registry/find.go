package registry

import (
	"context"
	"fmt"

	"github.com/plimsoll/plimsoll"
)

// specified finds by the distribution specification.
type specified struct{ c *Client }

func (s specified) FirstRepositories(ctx context.Context) ([]string, string, error) {
	found, next, err := s.c.Catalog(ctx, "", PageSize)
	switch {
	case err != nil:
		return nil, "", err
	case len(found) == 0:
		return nil, "catalog: empty", nil
	case next != "":
		return found, fmt.Sprintf("catalog: %d repositories on the first page, more follow", len(found)), nil
	}
	return found, fmt.Sprintf("catalog: %d repositories", len(found)), nil
}

func (s specified) FirstTags(ctx context.Context, repository string) ([]string, plimsoll.Digest, bool, error) {
	tags, next, err := s.c.Tags(ctx, repository, "", PageSize)
	return tags, "", next != "", err
}

func (specified) Account(context.Context) plimsoll.Credential { return plimsoll.Credential{} }
