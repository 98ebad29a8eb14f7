'use strict';
// Copies a payload. The page of an event works without it.
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

    const start = function() {
        document.querySelectorAll('[data-dfinery-copy]').forEach(copyFrom);
    };

    if (document.readyState === 'loading') {
        document.addEventListener('DOMContentLoaded', start);
    } else {
        start();
    }
}
