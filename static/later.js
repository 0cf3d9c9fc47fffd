// A part of runtime.js, for pages of visitors who have chosen, and for shared pages, which anybody gets.
//
// Our own pages have no script that could notify other tabs of a choice, so the page that the visitor returns to does.
// A reload must not, or two tabs could reload each other for ever.
if (!performance.navigation.type && doc.referrer.includes(at('/'))) kit.tabs?.postMessage(0);
