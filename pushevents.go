package plimsoll

// PushEvents are the push events of one registry in one day of UTC (object events/<registry>/<day>).
type PushEvents struct {
	Registry string `json:"registry"`
	Day      string `json:"day"` // 2006-01-02
	// Shares are what each run of a scheduler has counted. A run overwrites its own share alone, so that nothing is lost or
	// counted twice, however many there are and however often one writes.
	Shares map[string]PushShare `json:"shares"`
}

// PushShare is what one run has counted, by the hour of the day, 0 to 23. Hours without an event are left out.
type PushShare map[int]PushCount

// PushCount counts push events.
type PushCount struct {
	Received  int `json:"received,omitempty"`  // events in notifications that were authentic, whatever became of them
	Queued    int `json:"queued,omitempty"`    // scan requests that they led to
	Duplicate int `json:"duplicate,omitempty"` // scan requests that the queue had already: sent again, or twice
	Refused   int `json:"refused,omitempty"`   // notifications without proof or form, and malformed events
	// Late are events that tell of a push after the tag was seen to move: a listing, or a later event, was faster.
	Late int `json:"late,omitempty"`
	// Missed are tags that a sweep found new or moved and that no event had announced.
	Missed int `json:"missed,omitempty"`
}

// Plus adds two counts.
func (c PushCount) Plus(d PushCount) PushCount {
	c.Received += d.Received
	c.Queued += d.Queued
	c.Duplicate += d.Duplicate
	c.Refused += d.Refused
	c.Late += d.Late
	c.Missed += d.Missed
	return c
}
