package hooks

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
)

// quay reads Quay's "push to repository". Its other notifications hold no updated tags.
func quay(m message) (heard, error) {
	var e struct {
		Repository string          `json:"repository"`
		Tags       json.RawMessage `json:"updated_tags"`
	}
	if err := json.Unmarshal(m.body, &e); err != nil {
		return heard{}, notOne(err)
	}
	if e.Repository == "" {
		return heard{}, notOne(errors.New(`it has no "repository"`))
	}
	if e.Tags == nil {
		return ignoring()
	}
	tags, err := quayTags(e.Tags)
	if err != nil {
		return heard{}, err
	}
	var h heard
	for _, tag := range tags {
		h.hints = append(h.hints, hint{repository: e.Repository, tag: tag})
	}
	return h, tooMany(len(tags))
}

// quayTags reads a list of tags, or the older form: a map of tags to image ids, which are no digests.
func quayTags(raw json.RawMessage) ([]string, error) {
	var list []string
	if json.Unmarshal(raw, &list) == nil {
		return list, nil
	}
	var old map[string]json.RawMessage
	if err := json.Unmarshal(raw, &old); err != nil {
		return nil, notOne(err)
	}
	return slices.Sorted(maps.Keys(old)), nil
}
