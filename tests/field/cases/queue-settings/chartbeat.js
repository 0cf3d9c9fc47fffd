(window.got = window.got || []).push('chartbeat ' + _sf_async_config.uid + ' ' + _sf_async_config.sections);
