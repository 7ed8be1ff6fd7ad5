package hooks

import (
	"encoding/json"
	"errors"
)

// dockerHub reads Docker Hub's one kind of message: a push. It has a callback_url, which is never called.
func dockerHub(m message) (heard, error) {
	var e struct {
		Push struct {
			At  moment `json:"pushed_at"`
			Tag string `json:"tag"`
		} `json:"push_data"`
		Repository struct {
			Name string `json:"repo_name"`
		} `json:"repository"`
	}
	if err := json.Unmarshal(m.body, &e); err != nil {
		return heard{}, notOne(err)
	}
	if e.Repository.Name == "" {
		return heard{}, notOne(errors.New(`it has no "repository.repo_name"`))
	}
	return one(hint{at: e.Push.At.Time, repository: e.Repository.Name, tag: e.Push.Tag})
}
