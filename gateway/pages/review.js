"use strict";
// Keys of the review page: 1 to 3 label an answer, c goes to its comment, s skips, u takes the last label back. The form
// works without them.
(() => {
  const form = document.getElementById("review");

  function press(key) {
    const button = document.querySelector(`button[data-key="${key}"]`);
    if (button === null) return false;
    button.click();
    return true;
  }

  // Of a pair the first answer without a label gets it; with both labelled, Enter sends them.
  function choose(key) {
    for (const group of form?.querySelectorAll("fieldset") ?? []) {
      if (group.querySelector("input[type=radio]:checked")) continue;
      const choice = group.querySelector(`input[data-key="${key}"]`);
      if (choice === null) return false;
      choice.checked = true;
      choice.focus();
      if (form.querySelectorAll("fieldset").length === form.querySelectorAll("input:checked").length) {
        form.querySelector("button[value=label]").focus();
      }
      return true;
    }
    return false;
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.repeat) return;
    if (event.target.matches("textarea")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const key = event.key.toLowerCase();
    let isTaken = false;
    if (key === "c") {
      const comment = form?.querySelector("textarea");
      comment?.focus();
      isTaken = Boolean(comment);
    } else if (["1", "2", "3"].includes(key)) isTaken = press(key) || choose(key);
    else if (["s", "u"].includes(key)) isTaken = press(key);
    if (isTaken) event.preventDefault();
  });

  const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
  const day = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });
  for (const time of document.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    time.textContent = (Date.now() - at > 72000000 ? `${day.format(at)}, ` : "") + clock.format(at);
  }
})();
