// Package hooks takes push notifications from registries: POST /hooks/<registry id>, in the form that the CNCF distribution
// registry sends (its documentation, "Notifications").
//
// A notification is a hint. Only repository, tag and digest are taken from it, and what they name is read again from the
// configured registry; no URL and no host of a payload is used. The answer is 2xx only when the queue has the request, so
// that a registry tries again otherwise; a notification that is lost all the same is found by the next sweep.
package hooks
