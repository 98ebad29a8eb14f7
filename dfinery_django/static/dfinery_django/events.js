'use strict';
// Two helpers of the event pages: copy a payload, and refresh the progress of a bulk action. Both pages work without them.
{
    const copy = function(source) {
        if (navigator.clipboard) {
            return navigator.clipboard.writeText(source.value);
        }
        // Without https there is no clipboard but this one.
        source.hidden = false;
        source.select();
        const done = document.execCommand('copy');
        source.hidden = true;
        return done ? Promise.resolve() : Promise.reject();
    };

    const copyFrom = function(button) {
        const source = document.getElementById(button.dataset.dfineryCopy);
        const status = button.parentElement.querySelector('[role="status"]');
        button.hidden = false;
        button.addEventListener('click', function() {
            copy(source).then(function() {
                status.textContent = button.dataset.done;
            });
        });
    };

    const lookAgain = function(region) {
        if (!region.dataset.dfineryRefresh) {
            return;
        }
        setTimeout(function() {
            fetch(window.location.href, {credentials: 'same-origin'}).then(function(answer) {
                return answer.ok ? answer.text() : Promise.reject(answer.status);
            }).then(function(text) {
                const page = new DOMParser().parseFromString(text, 'text/html');
                const fresh = page.querySelector('[data-dfinery-refresh]');
                if (!fresh || !fresh.dataset.dfineryRefresh) {
                    window.location.reload(); // done: show it on the whole page
                    return;
                }
                region.replaceChildren(...fresh.childNodes);
                lookAgain(region);
            }).catch(function() {
                lookAgain(region);
            });
        }, 1000 * Number(region.dataset.dfineryRefresh));
    };

    const start = function() {
        document.querySelectorAll('[data-dfinery-copy]').forEach(copyFrom);
        document.querySelectorAll('[data-dfinery-refresh]').forEach(lookAgain);
    };

    if (document.readyState === 'loading') {
        document.addEventListener('DOMContentLoaded', start);
    } else {
        start();
    }
}
