package discover

import (
	"context"
	"fmt"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/registry"
)

var _ registry.Finder = (*Source)(nil)

// FirstRepositories lists one page for a check. Parts that cannot be listed are told; when nothing else can be, they are the error.
func (s *Source) FirstRepositories(ctx context.Context) ([]string, string, error) {
	page, err := s.Repositories(ctx, "", pageSize)
	if err != nil {
		return nil, "", err
	}
	about := fmt.Sprintf("listed as %s: %d repositories", s.Registry().Kind, len(page.Repositories))
	if page.Next != "" {
		about += ", more follow"
	}
	if len(page.Missed) > 0 {
		if len(page.Repositories) == 0 {
			return nil, "", page.Missed[0].Err
		}
		about += fmt.Sprintf("; %d parts cannot be listed, as %s", len(page.Missed), line(page.Missed[0].Err))
	}
	return page.Repositories, about, nil
}

// FirstTags lists one page of tags for a check.
func (s *Source) FirstTags(ctx context.Context, repository string) (names []string, digest plimsoll.Digest, more bool, err error) {
	tags, next, err := s.Tags(ctx, repository, "")
	if err != nil || len(tags) == 0 {
		return nil, "", next != "", err
	}
	return tagNames(tags), tags[0].Digest, next != "", nil
}

// Account says how long the account's credentials last, for a check.
func (s *Source) Account(ctx context.Context) plimsoll.Credential {
	account, err := s.vendor.account(ctx, time.Now())
	if err != nil {
		return plimsoll.Credential{}
	}
	return account
}
