"""
An editor for texts, services and look in Django's admin: put ``"consent_mw.django.editor"`` into ``INSTALLED_APPS``.

It edits the file that the setting ``CONSENT`` names and keeps no state of its own. Members of staff need the permission
``consent_mw_editor.change_configuration``, or ``view_configuration`` to look only.
"""
